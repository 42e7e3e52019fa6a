"""The forms of predictions: one file each with its reader and its writer; `forms` has the table of them."""
