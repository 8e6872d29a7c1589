//go:build !cgo || !(darwin || linux) || !(amd64 || arm64)

package main

// newAutomerge says that automerge is not there: its core is a library in Rust, which Go reaches through C, and which comes
// compiled for few machines.
func newAutomerge(string, string) (shared, error) { return nil, errNotThere }

func loadAutomerge(string, string, []byte) (shared, error) { return nil, errNotThere }

func pastAutomerge() (string, error) { return "", errNotThere }

func clashAutomerge() (string, error) { return "", errNotThere }
