"""ONNX models whose products run in 8 bits on an engine, everything else in onnxruntime.

Needs onnx and onnxruntime (the extra ``models``). `graph` reads a model and has it simplified,
`arrays` checks what it is given, `layers` turns its convolutions and products into jobs, `plan`
says which nodes run where and why, `observe` runs the model in FP32 and watches its tensors.
`numbers` rounds tensors to codes with scales, `dense` computes jobs of other numbers. `host` runs
what is left in onnxruntime. `deployment` puts it all together, `records` is what it measures.
`retune` estimates the statistics of batch normalization anew, `biases` moves biases. The room
`chains` joins products whose results can stay on a core, `zoo` has networks with data.

May import `formats` and `golden`; it knows no engine but golden's.
"""

from .deployment import Deployment, prepare
from .plan import Settings
from .records import Outcome

__all__ = ["Deployment", "Outcome", "Settings", "prepare"]
