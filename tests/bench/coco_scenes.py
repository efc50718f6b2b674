"""Small COCO files: people of 17 joints on a line, found exactly, off, or not at all."""

K = 17


def person(number, image, x=0.0, *, area=10_000.0, iscrowd=0, labelled=K, joints=K, box=(100, 100)):
    """Joint k at (x, 10 k); a box of 100 x 100 around x."""
    keypoints = [n for k in range(joints) for n in ((x, 10.0 * k, 2) if k < labelled else (0, 0, 0))]
    return {
        **{"id": number, "image_id": image, "category_id": 1, "iscrowd": iscrowd, "num_keypoints": labelled},
        **{"keypoints": keypoints, "area": area, "bbox": [x - 50, 0, *box]},
    }


def found(image, x, score, *, v=1.0, joints=K):
    keypoints = [n for k in range(joints) for n in (x, 10.0 * k, v)]
    return {"image_id": image, "category_id": 1, "keypoints": keypoints, "score": score}


def scene(*people, images=(1,)):
    listed = [{"id": i, "file_name": f"{i}.jpg", "height": 480, "width": 640} for i in images]
    return {"images": listed, "annotations": list(people), "categories": [{"id": 1, "name": "person"}]}
