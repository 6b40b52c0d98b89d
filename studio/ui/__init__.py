"""The page: the only place that imports gradio; one file a tab, handlers of a few lines over the service."""
