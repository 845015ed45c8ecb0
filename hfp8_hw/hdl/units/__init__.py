"""The units: components with a stream in and a stream out.

`converters` (quantizer, dequantizer, convert), `mul`, `mac` (floating-point) and `exact_mac`
(fixed-point, and `dot`), `fused_dot` (fmma, dotN), `elementwise` (fp_add, fp_max, relu),
`weight_update`, `sgd_update`, `loss_scale`, `to_fixed`. `hfp8_hw.hdl.create` builds the one that
parameters describe. May import `numbers` and `sums`.
"""
