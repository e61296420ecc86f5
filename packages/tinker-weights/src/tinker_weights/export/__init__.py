"""Adapters in the layouts that PEFT, vLLM and SGLang load."""
