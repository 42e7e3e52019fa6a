# A researcher: `photos` has six photographs, beside it is a checkpoint as its authors publish it.
wider8k weights list
wider8k weights inspect retinaface_mobilenet0.25_Final.pth
wider8k detect photos --weights retinaface_mobilenet0.25_Final.pth --blur blurred --crops faces --csv faces.csv --json found.json
head -3 faces.csv
wider8k run --local -c folder --set faces.path=photos
wider8k run --local -c folder --set faces.path=photos --set boxes.path=retinaface_mobilenet0.25_Final.pth
wider8k run --local -c folder --set faces.path=photos --set boxes.path=retinaface_mobilenet0.25_Final.pth
