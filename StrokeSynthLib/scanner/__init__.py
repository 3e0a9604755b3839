"""MR signal: tissue and lesion to b0, DWI and ADC; protocols and artifacts."""
