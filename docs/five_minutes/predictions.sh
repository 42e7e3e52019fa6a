# Somebody who only has predictions: COCO results of two detectors, and labels of the same images.
wider8k predictions inspect a.json
wider8k predictions inspect a.json --labels labels.json
wider8k evaluate a.json
wider8k evaluate a.json --labels labels.json
wider8k evaluate a.json --benchmark coco --labels labels.json
wider8k evaluate a.json --labels labels.json --json ap.json --report ap.html
wider8k compare a.json b.json --labels labels.json --top 2
wider8k predictions convert a.json --to wider_text --out found.zip --labels labels.json
wider8k evaluate found.zip --labels labels.json
