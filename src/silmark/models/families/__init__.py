"""One file per family of models: `config.json` to Model."""
