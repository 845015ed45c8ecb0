"""The data of the examples, the same on every machine but for `samples`.

`digits` are scikit-learn's images, with the writer of ONNX files for them; `lines` of text are
drawn, `chords` are synthesised, `samples` are files of this machine. May import what the
parent may.
"""
