# An annotator: `labelled` is what Label Studio exports as "YOLO with images", beside it is a checkpoint.
ls labelled
wider8k dataset inspect labelled --sheet faces.jpg
wider8k detect labelled --weights retinaface_mobilenet0.25_Final.pth --json found.json
wider8k evaluate found.json --labels labelled
wider8k run --local -c own --set faces.path=labelled --until faces
wider8k run --local -c own --set faces.path=labelled --set faces.dataset=yolo --set boxes.path=retinaface_mobilenet0.25_Final.pth
wider8k dataset convert labelled --to coco_json --out labelled_coco
