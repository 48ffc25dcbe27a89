"""What all routes share: reading requests, writing responses, headers, compression, limits for each viewer."""
