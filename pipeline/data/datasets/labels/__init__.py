"""The forms of labels: one file each with its reader, its writer and its dataset; `forms` has the table of them."""
