"""One face into another at 128 pixels, with the ONNX files alone: python use_onnx.py WEIGHTS FACE.jpg PHOTO.jpg OUT.png"""

import os
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # or ONNX Runtime reports to its maker

import cv2
import numpy as np
import onnxruntime
from insightface.model_zoo import get_model
from insightface.utils.face_align import norm_crop

weights, *photos, out = sys.argv[1:]
nets = {name: onnxruntime.InferenceSession(f"{weights}/{name}.onnx") for name in ("mesh", "identity", "coarse")}
scrfd = {"preprocessing": {"mean": 127.5, "std": 128.0}}
detector = get_model(f"{weights}/detector.onnx", model_task="detection", model_metadata=scrfd)


def planes(bgr, mean, deviation):
    return ((bgr[..., ::-1].astype(np.float32) - mean) / deviation).transpose(2, 0, 1)[None]


def view(low, high, side, share):  # puts the rectangle into the middle of a crop, its longer side this share of the crop's
    scale = side * share / max(high - low)
    return np.column_stack([np.eye(2) * scale, side / 2 - scale * (low + high) / 2])


def look(path):  # photo, five points, 468 mesh points
    photo = cv2.imread(path)
    boxes, points = detector.detect(photo, input_size=(640, 640))
    crop = view(boxes[0, :2], boxes[0, 2:4], 192, 2 / 3)
    mesh = (
        nets["mesh"].run(None, {"input": planes(cv2.warpAffine(photo, crop, (192, 192)), 127.5, 127.5)})[0][:, :, :2] * 192
    )
    return photo, points[0], cv2.transform(mesh, cv2.invertAffineTransform(crop))[0]


(face, five, source), (photo, _, target) = map(look, photos)
embedding = nets["identity"].run(None, {"input": planes(norm_crop(face, five), 127.5, 127.5)})[0]
crop = view(target.min(0), target.max(0), 128, 0.6)
target = cv2.transform(target[None], crop)[0]
carry, _ = cv2.estimateAffinePartial2D(source, target)  # the product bends the face to the mesh, point by point
warped, below = (planes(cv2.warpAffine(*each, (128, 128)), 0, 255) for each in ((face, carry), (photo, crop)))
hull = cv2.fillConvexPoly(np.zeros((128, 128), np.float32), cv2.convexHull(target).round().astype(int), 1)[None, None]
feeds = {"warped": warped, "target": below, "face": hull, "identity": embedding / np.linalg.norm(embedding)}
mask, delta = nets["coarse"].run(None, feeds)
fused = below + mask * (warped + delta - below)
cv2.imwrite(out, (fused[0].transpose(1, 2, 0)[..., ::-1].clip(0, 1) * 255).astype(np.uint8))
