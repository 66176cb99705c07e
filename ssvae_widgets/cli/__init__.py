"""The commands: `ssvae-train`, `ssvae-infer`, `ssvae-view`, `ssvae-label-sets`, `ssvae-experiment`, `ssvae-collect`."""
