"""What Bascule knows of vendors and targets: data only, one YAML file each."""
