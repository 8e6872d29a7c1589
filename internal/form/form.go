// Package form says which form of a test is to run.
//
// A test that tries thousands of states has a short form, for who types go test,
// and a long one, for who wants to be sure. The race detector makes everything
// about ten times as slow, and finds races in the short form as well.
package form

import (
	"os"
	"runtime/debug"
	"slices"
)

// EnvLong is the environment variable that asks for the long forms, if it is not
// empty.
const EnvLong = "PLINTH_LONG"

// Long reports whether the long forms were asked for.
func Long() bool { return os.Getenv(EnvLong) != "" }

// Raced reports whether the race detector is on.
func Raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
