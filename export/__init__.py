"""Export of students: ONNX, INT8, acceptance."""
