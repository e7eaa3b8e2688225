"""What is asked of the chart: tasks and the corpus, and their preparation from raw tables into the store."""
