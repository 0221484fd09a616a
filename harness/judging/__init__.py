"""Pure functions of records: worst case, verdicts, costs, oracle, who may be on a front."""
