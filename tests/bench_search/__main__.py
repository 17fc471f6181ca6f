from tests.bench_search import main

main()
