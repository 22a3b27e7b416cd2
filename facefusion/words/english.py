"""Texts of the page and of the errors in English, in plain words for non-technical readers."""

from __future__ import annotations

from typing import Final

ENGLISH: Final[dict[str, str]] = {
    # The page, from top to bottom.
    "title": "FaceFusion",
    "description": (
        "Put a face into another photo, in your browser. Free, without an account; photos are deleted after 10 minutes."
    ),
    "preview.alt": "A face, a photo, and the photo with that face in it, made by AI",
    "lead": "Put a face into another photo. Add both pictures and confirm; the result appears by itself.",
    "kept": "Photos and results are deleted after 10 minutes.",
    "source": "Your face",
    "source.hint": "# Choose a picture\nof one face, clear and looking at the camera",
    "source.alt": "The picture of your face",
    "more": "More pictures of the same person",
    "more.hint": "Optional. Two or three pictures of one person make the result more alike.",
    "source2": "Second picture",
    "source3": "Third picture",
    "extra.hint": "# Choose a picture",
    "target": "The photo",
    "target.hint": "# Choose a picture\nthat the face goes into",
    "target.alt": "The photo that the face goes into",
    "swap": "Swap the two pictures",
    "camera.refused": (
        "The camera is not allowed on this page. Allow it in the browser's address bar and try again, or choose a picture."
    ),
    "camera.missing": "No camera was found. Please choose a picture instead.",
    "camera.busy": "The camera cannot be used; perhaps another program is using it. Close that, or choose a picture.",
    "camera.insecure": "The browser gives the camera to secure pages only (https). Please choose a picture instead.",
    "paste.full": "Both boxes have a picture. Drop the new one onto the box that it is for, or empty that box first.",
    "faces": "Which faces get your face?",
    "faces.hint": "Numbered from left to right. Choose one or several.",
    "face": "Face",
    "second": "Another person for other faces",
    "second.hint": "Optional, for group photos: a second person, and the faces that they get.",
    "other": "The second person's face",
    "other.alt": "The picture of the second person's face",
    "other.faces": "Which faces get the second person's?",
    "quality": "Quality",
    "quality.hint": "Times are for one face on this server, without the way there and back.",
    "tier.auto": "Auto",
    "tier.fast": "Fast",
    "tier.balanced": "Balanced",
    "tier.best": "Best",
    "tier.studio": "Studio (models of insightface, non-commercial)",
    "fine": "Fine tuning",
    "likeness": "Likeness",
    "likeness.hint": "Left: the photo's expression and face shape. Right: more of your features.",
    "blend": "Strength",
    "blend.hint": "How much of the new face is seen.",
    "consent": "Please confirm",
    "consent.again": "This is a new face, so please confirm again.",
    "consent.all": "I confirm both",
    "consent.rights": "I may use both photos: everyone in them is an adult who agreed.",
    "consent.decent": "I make nothing sexual, nothing that deceives or hurts, and nothing with minors.",
    "fuse": "Swap face",
    "fusing": "Working on it ...",
    "cancel": "Cancel",
    "cancelled": "Stopped. Nothing was changed.",
    "need": "Still needed:",
    "need.source": "a picture of your face",
    "need.target": "the photo that it goes into",
    "need.other.source": "another picture of your face",
    "need.other.target": "another photo",
    "need.faces": "which faces get yours",
    "need.consent": "both ticks",
    "need.none": "The result follows every change by itself.",
    "result": "Result",
    "result.alt": "The result: the photo with the new face in it, made by AI",
    "before": "Before",
    "after": "After",
    "handle": "How much of the photo before is shown",
    "handle.hint": "Drag to compare, hold to see before",
    "draft.hint": "First draft, being refined ...",
    "enlarge": "Enlarge",
    "shrink": "Back to the page",
    "share": "Share",
    "left": "Deleted from the server in %(minutes)d min",
    "left.none": "Deleted from the server. What you see is only in your browser.",
    "forget": "Delete my photos now",
    "forgotten": "Your photos and results are deleted from the server.",
    "gone": "The server has deleted this file. The JPEG is still here; press Swap face for a new PNG.",
    "details": "Likeness, times and steps",
    "png": "Download PNG",
    "jpeg": "Download JPEG",
    "reuse": "Use the result as the photo",
    "compare": "Compare all qualities",
    "compare.hint": "The same face at every quality, with the time that each takes on this server once the faces are found.",
    "how": "How it works: your photo, step by step",
    "examples": "Or press one of these photos: nobody in them exists",
    "example": "Example",
    "notes": (
        "**What you make here is made by AI.** Every result says so in a corner and in its file; please leave that in.\n\n"
        "**Only use photos that you may use**, and never to deceive, to embarrass or to harm anyone.\n\n"
        "**Nothing is kept.** Photos and results are deleted from the server 10 minutes after they arrive, nothing is "
        "stored in your browser, and nothing is passed on to anybody."
    ),
    "host.contact": "Contact",
    "host.imprint": "Imprint",
    # Progress.
    "stage.detect": "Looking for the faces",
    "stage.mesh": "Measuring the faces",
    "stage.identity": "Learning your face",
    "stage.coverings": "Looking for glasses and hair",
    "stage.warp": "Turning your face",
    "stage.coarse": "Blending the faces",
    "stage.draft": "Making a first draft",
    "stage.refine": "Refining the face",
    "stage.compose": "Painting the details",
    "stage.check": "Checking the likeness",
    "saving": "Saving the picture",
    # Result.
    "match": "Likeness:",
    "match.excellent": "excellent",
    "match.excellent.text": "The face in the result looks very much like the one you gave.",
    "match.good": "good",
    "match.good.text": "The face in the result looks like the one you gave.",
    "match.fair": "fair",
    "match.fair.text": "The face in the result looks a little like the one you gave. A clearer picture of it may help.",
    "match.weak": "weak",
    "match.weak.text": (
        "The face in the result hardly looks like the one you gave. A clearer picture, looking the same way, may help."
    ),
    "match.number": "Identity match:",
    "match.scale": "1 would be the very same picture",
    "chosen": "Quality:",
    "reason.small_face": "chosen because the face in the photo is small: more work would not be seen.",
    "reason.fits_budget": "chosen because there was time for the best.",
    "reason.too_slow": "chosen because a better one would take long on this server.",
    "reason.busy": "chosen because others are waiting too.",
    "seconds": "s",
    "times": "Time by step",
    "done": "Done in",
    "step.found": "1. The face is found: box and five points",
    "step.mesh": "2. It is measured at 468 points",
    "step.warped": "3. Your face, turned to fit",
    "step.coarse": "4. The first draft",
    "step.mask": "5. Where the photo changes (white)",
    "step.refined": "6. Refined, before the blending",
    "step.blended": "7. Blended into the photo",
    # Beside a photo: warnings before the fusion.
    "ok.source": "This picture looks good.",
    "ok.target": "This photo looks good.",
    "doubt.small": "The face is small, so the result will be soft. Come closer, or choose a picture of higher resolution.",
    "doubt.dark": "The face is very dark. Turn towards a window or a lamp and take it again.",
    "doubt.bright": "The face is overexposed. Step out of the glare, or switch off the flash, and take it again.",
    "doubt.blurred": "The picture is blurred. Hold still, wipe the lens, and take it again.",
    "doubt.turned": "The face is turned far to the side. Look towards the camera for a better result.",
    "doubt.tilted": "The face looks far up or down. A picture taken at eye level gives a better result.",
    "doubt.eyes_covered": "The eyes seem to be covered. Take off the sunglasses for a better result.",
    "doubt.mouth_covered": "The mouth seems to be covered. Take off the mask, or take your hand away, for a better result.",
    "doubt.several": "There are several faces here. The largest is used; a picture of one person alone is surer.",
    "doubt.go_on": "You can go on all the same.",
    # Refusals and remedies. {photo} is one of the names below.
    "photo.source": "The face photo",
    "photo.target": "The target photo",
    "error.unusable": "cannot be used",
    "error.unusable.remedy": "Please try another photo.",
    "error.unreadable": "could not be read as a picture",
    "error.unreadable.remedy": (
        "Please choose a JPEG, HEIC, PNG, WebP, GIF, TIFF, BMP or AVIF picture, or save it again as JPEG and retry."
    ),
    "error.too_large": "is too large: we take up to 64 megapixels and sides of up to 20,000 pixels",
    "error.too_large.remedy": "Please make it smaller or cut a part out of it, save it as JPEG, and choose it again.",
    "error.too_long": "is too long and narrow: one side is more than 12 times the other",
    "error.too_long.remedy": "Please cut the part with the face out of it and choose that.",
    "error.slow_photo": "takes too long to open",
    "error.slow_photo.remedy": "Please save it again as a plain JPEG, smaller if you can, and choose that.",
    "error.empty": "is missing or empty",
    "error.empty.remedy": "Please choose a photo first.",
    "error.no_face": "shows no face that we can find",
    "error.no_face.remedy": (
        "Please choose one where the whole face is visible, well lit and looking towards the camera."
    ),
    "error.face_too_small": "shows the face too small",
    "error.face_too_small.remedy": (
        "Please come closer, crop the photo around the face, or choose one of higher resolution."
    ),
    "error.face_turned": "shows the face turned too far to the side",
    "error.face_turned.remedy": (
        "Please choose a photo where both eyes are visible and the face looks roughly the same way as in the other one."
    ),
    "error.face_tilted": "shows the face looking too far up or down",
    "error.face_tilted.remedy": (
        "Please choose a photo taken at eye level, or one where the face looks up or down as much as in the other one."
    ),
    "error.deleted": "is no longer here: photos are deleted after 10 minutes, or sooner when many people are here",
    "error.deleted.remedy": "Please choose it again.",
    "error.no_choice": "has no face chosen in it",
    "error.no_choice.remedy": "Please choose at least one of its faces below the photo.",
    "error.consent": "Please confirm both statements first.",
    "error.api_consent": (
        "Please pass i_have_consent=true to state that you may use both photos, that everyone in them is an adult who "
        "agreed, and that the result is not sexual and deceives nobody."
    ),
    "error.no_such_tier": "There is no such quality. Please choose one of: auto, fast, balanced, best.",
    "error.no_such_face": "There is no such face. Please choose from the numbers that are returned by detect.",
    "error.no_such_share": "Likeness and blend are numbers from 0 to 1.",
    # Refusals by the server before a photo is read.
    "error.malformed": "This request cannot be understood. Please reload the page and try again.",
    "error.no_fetching": "This server fetches no pictures from other addresses. Please upload the picture itself.",
    "error.many_uploads": "Many pictures are being uploaded at this moment. Please try again in a minute.",
    "error.no_such_address": "There is nothing at this address.",
    "error.request_too_large": "This request is larger than any that the page makes.",
    "error.no_picture_file": "This file is no picture. Please choose a JPEG, PNG, HEIC or another picture.",
    "error.file_too_large": "The picture's file is larger than 30 MB. Please save it smaller, as JPEG, and try again.",
    "error.too_many_files": "These are too many files at once. Please send at most five.",
    "error.too_many_requests": "That was a lot within a minute. Please wait a minute and try again.",
    "error.too_many_jobs": "Several of your pictures are being made already. Please wait until one is finished.",
    "error.queue_full": (
        "Many people are here: %(waiting)d pictures come before yours, about %(seconds)d seconds. Your photos and settings "
        "stay as they are. Please press the button again in a moment."
    ),
    "error.busy": "Several large photos are being worked on. Please try again in a moment.",
    "error.too_many_pixels": (
        "Together these photos have more pixels than can be worked on at once, 66 million. Please make one of them smaller."
    ),
    "error.too_slow": "This took longer than 10 seconds and was stopped. Please try smaller photos, or again in a moment.",
    "error.slow": "The connection was too slow or broke off. Please try again.",
    "error.stopping": "The server is about to start anew. Please try again in a minute.",
    "error.not_made": "No picture was made. Your photos are still here. Please try again in a moment.",
    "error.unexpected": (
        "Something went wrong on our side and no picture was made. Please choose your photos again and retry."
    ),
}
