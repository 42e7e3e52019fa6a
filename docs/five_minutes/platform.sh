# A platform engineer: `WIDER` is the dataset as it is downloaded, with three images of it here, `mobilenet.pth` a checkpoint.
wider8k doctor --no-ray
wider8k plan -c dump_8k --set faces.path=WIDER --set mobilenet.path=mobilenet.pth
wider8k plan -c dump_8k --set faces.path=WIDER --set faces.dataset.missing=skip --set mobilenet.path=mobilenet.pth
wider8k run -c dump_8k --set faces.path=WIDER --set faces.dataset.missing=skip --set mobilenet.path=mobilenet.pth --set mobilenet.canvas=1280
wider8k status -c dump_8k --set faces.path=WIDER --set faces.dataset.missing=skip --set mobilenet.path=mobilenet.pth --set mobilenet.canvas=1280 --verify
wider8k explain mobilenet -c dump_8k --set faces.path=WIDER --set faces.dataset.missing=skip --set mobilenet.path=mobilenet.pth
wider8k clean -c dump_8k --set faces.path=WIDER --set faces.dataset.missing=skip --set mobilenet.path=mobilenet.pth
