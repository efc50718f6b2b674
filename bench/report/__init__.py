"""Views of records: tables, the reproducibility table, one page, the W&B report. The records stay the truth."""
