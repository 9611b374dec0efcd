"""How a detector does on makers it never met: by method, beside controls, with parts left out."""
