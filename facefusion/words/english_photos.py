"""Texts about photos in English: warnings beside them, and why one cannot be used."""

from __future__ import annotations

from typing import Final

ENGLISH_PHOTOS: Final[dict[str, str]] = {
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
    "doubt.eyes_shut": "The eyes seem to be shut or hardly open here. A photo with open eyes gives a better result.",
    "doubt.mouth_covered": "The mouth seems to be covered. Take off the mask, or take your hand away, for a better result.",
    "doubt.hand": "A hand is in front of the face. What it hides cannot be exchanged: take it away for a better result.",
    "doubt.thing": "Something is in front of the face. What it hides cannot be exchanged: a picture without it is better.",
    "doubt.hair": "Hair hides much of the face. A picture with the hair tied back gives a better result.",
    "doubt.several": "There are several faces here. The largest is used; a picture of one person alone is surer.",
    "doubt.go_on": "You can go on all the same.",
    "doubt.same_way": "It goes only with a photo in which the face looks roughly the same way.",
    "note.first_frame": "The file holds more than one picture. Only the first is used.",
    "note.cut_short": "The end of the file is missing, so a part of the picture is blank.",
    "note.srgb": "Its colours are not those of a screen. The result is in standard colours (sRGB), which look the same.",
    "note.eight_bits": "The file has 16 bits a colour. The result has 8 bits, which look the same on a screen.",
    "note.unknown_profile": "Its colour profile cannot be used, so its colours may look different.",
    "note.transparent": "A JPEG has no transparency: the result is white there. A PNG keeps it.",
    "pair.same": "Both pictures are the same photo. Choose another one for one of them.",
    "pair.small": "The face is much smaller in the face photo than in the other, so the result is soft. A larger one helps.",
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
    "error.too_long": "is too long and narrow: one side is more than 16 times the other",
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
    "error.face_hidden": "shows too little of the face: something is in front of it",
    "error.face_hidden.remedy": "Please choose a picture in which nothing covers the face.",
    "error.face_cut": "shows only a part of the face: the edge of the picture cuts it off",
    "error.face_cut.remedy": "Please choose a picture that shows the whole face.",
    "error.face_tilted": "shows the face looking too far up or down",
    "error.face_tilted.remedy": (
        "Please choose a photo taken at eye level, or one where the face looks up or down as much as in the other one."
    ),
    "error.deleted": "is no longer here: photos are deleted within 10 minutes, or sooner when many people are here",
    "error.deleted.remedy": "Please choose it again.",
    "error.no_choice": "has no face chosen in it",
    "error.no_choice.remedy": "Please press at least one of its faces and choose who goes there.",
    "error.consent": "Please confirm both statements first.",
    "error.api_consent": (
        "Please pass i_have_consent=true to state that you may use both photos, that everyone in them is an adult who "
        "agreed, and that the result is not sexual and deceives nobody."
    ),
    "error.no_such_tier": "There is no such quality. Please choose one of: auto, fast, balanced, best.",
    "error.no_such_face": "There is no such face. Please choose from the numbers that are returned by detect.",
    "error.no_such_share": "Please give likeness and blend as numbers from 0 to 1, not as text.",
    "error.api_photo": "Please upload the photo first, and give the path that the upload returns.",
    "error.api_values": "Please give the values that the page lists for this endpoint, no more and no fewer.",
    "error.api_endpoint": "There is no such endpoint. Please call fuse or detect.",
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
