"""What a row is and where it comes from: schemas, records, images, the 8K canvas and the datasets."""
