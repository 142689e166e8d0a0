"""HTTP: one module per resource; parse, authorise, decide with the model, save, render."""
