"""Parts of `benchmarks/prepare.py`: hospitals that grow, CORe in pandas, measuring in processes of their own."""
