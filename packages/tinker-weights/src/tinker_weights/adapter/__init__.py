"""LoRA adapters: read from the layouts that engines write, exported for PEFT, vLLM and SGLang."""
