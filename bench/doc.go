// Command bench measures the trade-offs of this module's packages on the
// machine and the disk that it runs on, prints them and writes a report to be
// opened in a browser:
//
//	go run ./bench
//
// # Problem
//
// Which number to believe? Benchmarks of storage differ a hundredfold by what
// they leave out: whether a record was on the disk when the call returned, how
// many callers there were, how long the slowest of them waited.
//
// # Idea
//
// Each package adds an experiment that varies what matters and holds the rest.
// Times are measured in a closed loop of so many callers, each operation into
// a histogram (bench/load, bench/hist). Bytes and fsyncs are counted at the
// file system, not estimated; where there is a model, it is drawn beside them.
// Stores that do the same are given the same work, one after the other.
// The report draws them (bench/plot, bench/report) and says on which machine
// (bench/machine).
//
// # Invariants
//
//	I1  Every timed result names its load, and what it depends on: its durability
//	    and record size, its entries and share of writes, or its nodes.
//	I2  What was stored is read back and compared before a number is reported.
//	I3  Every number in a caption is of the run that it stands in.
//	I4  Nothing is left behind but the files that were asked for, whether the
//	    run succeeds, fails or is interrupted.
//	I5  Standard output has the results alone; progress and warnings go to the
//	    standard error.
//
// # Cost
//
// The quick profile takes under a minute and 640 MiB of disk at the most, the
// full one about ten minutes and 1.1 GiB.
//
// # Concurrency
//
// Experiments run one after the other, and so do their combinations.
//
// # Trade-offs
//
// One machine, one run: numbers to compare with each other, not with those of
// another machine. For comparisons of two versions use the benchmarks of the
// packages and benchstat, for comparisons with other libraries bench/peers.
package main
