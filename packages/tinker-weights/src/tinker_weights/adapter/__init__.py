"""LoRA adapters, read from the layouts that engines and PEFT write."""
