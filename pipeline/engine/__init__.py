"""The incremental engine: computes what is missing or changed, and nothing twice. Knows no faces, no torch, no Ray.

* **Item**: what one row is computed from: a key, and a version that is the hash of its content.
* **Stage**: a frozen model whose fields are parameters. A `MapStage` makes one row per item, a `WholeStage` all
  its rows at once.
* **Node**: a stage with a name, inputs and resources in a **graph**, which a config describes.
* **Shard**: the rows of some items in one Parquet file, with a JSON record of these items. Its name is the hash of the
  items; it is written whole or not at all.
* **Row fingerprint**: hash of all that a row depends on beside its item. The shards are in
  ``<node>/<row fingerprint>``.
* **Fingerprint**: hash of stage, version, parameters, file hashes and the content hashes of the inputs. Never in it:
  paths, machines, worker counts, shard sizes.
* **Content hash**: hash of the bytes of a file or of the rows of an output.
* **Manifest**: which rows of which shards make up the output with one fingerprint; written last. An **artifact**
  reads it.
* **Plan**: for every node reuse, resume, run, blocked or left out, with the reason; computes nothing.
* **Run**: carries out a plan with an **executor**, independent nodes in parallel. A failure stops only what depends on
  it; a killed run resumes with the shards it has.
"""
