// Package report holds the results of a measurement and writes them down.
//
// # Problem
//
// The same results are read by a person at a terminal, by a person in a
// browser, perhaps next year and without a network, and by a program. All
// three must be told the same, and with each number what it depends on.
//
// # Idea
//
// One model, three writers: WriteText for the terminal, WriteJSON for
// programs, WriteHTML for one file that holds everything, its drawings and
// style included.
//
// # Invariants
//
//	I1  The page loads nothing: no script, no font, no image, no style from
//	    anywhere else.
//	I2  Whatever a name or a path contains, the page shows it and does not
//	    obey it.
//	I3  Every timed Result says how its load was driven and, where something
//	    was stored, how durable it was.
//	I4  JSON keeps every latency histogram whole, so that runs can be merged
//	    and percentiles asked for later.
//
// # Cost
//
// A page is some 20 KiB and about 8 KiB per figure, which is there twice: once
// for wide, once for narrow screens.
//
// # Concurrency
//
// A Report is a plain value; the writers only read it.
package report
