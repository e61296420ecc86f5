"""Safetensors files, read in blocks of rows and written without holding a file in memory."""
