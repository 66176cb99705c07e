"""The commands: `ssvae-train`, `ssvae-infer`, `ssvae-view`, `ssvae-label`, `ssvae-label-sets`, `ssvae-experiment`, `ssvae-collect`."""
