// Package arch checks what every package of this module must keep to and a
// compiler does not see. It has tests and nothing to import.
//
// # Problem
//
// A rule that only a document states is broken within a month: somebody
// imports upwards, forgets to say whether a type may be shared, or changes an
// Example and leaves the README as it was.
//
// # Idea
//
// Parse the whole tree, every file for every operating system, and compare it
// with the rules written down as data. Each check is a function from a module,
// given as an fs.FS, to a list of findings; TestPlinth asks that the list for
// this module is empty, and the tests beside each check plant violations in an
// in-memory tree and ask that each of them is found.
//
// # Invariants
//
//	I1  Imports point down the table in layers.go; go.mod requires what it lists.
//	I2  Every exported type says who may share it (contract.go).
//	I3  Go code in a README is the body of an Example (snippet.go).
//	I4  Packages have their parts, under names that say something (rules.go).
//	I5  Texts name only what a reader of this module can reach (texts.go).
//
// # Trade-offs
//
// The checks are syntactic: they need no build, see files for other systems,
// and run in a fraction of a second, but they do not resolve types across
// packages. Whatever a person has to judge (does the comment say why?) is left
// to the person.
package arch
