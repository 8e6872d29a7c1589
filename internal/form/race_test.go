//go:build race

package form

const raced = true
