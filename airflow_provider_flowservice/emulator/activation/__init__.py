"""Ad-hoc activation: ``/data/core/activation/disflowprovider``."""
