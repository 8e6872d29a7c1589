// Package disk looks at the files of a store in a test, and damages them.
//
// # Problem
//
// A disk gives back other bytes than it was given, seldom and without a word. A
// store must notice, whichever byte it was, and say so instead of answering.
//
// # Idea
//
// There are not so many bytes in a small store: Flips yields it with each of them
// damaged, one after the other, and the test says what each may come to.
package disk
