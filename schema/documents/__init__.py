"""Documents: parsed, validated and measured once for each text."""
