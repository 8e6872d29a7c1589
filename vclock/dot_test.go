package vclock

import (
	"encoding"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// named is a Dot or a LamportTime.
type named interface {
	comparable
	fmt.Stringer
	encoding.BinaryMarshaler
	encoding.TextMarshaler
}

// namedPointer is a pointer to one.
type namedPointer[T named] interface {
	*T
	encoding.BinaryUnmarshaler
	encoding.TextUnmarshaler
}

// testForms writes values and reads them back, in all forms, and refuses what is said to be refused. Planted and caught:
// an event 0, a number past its end, a name that is written otherwise, bytes after the end.
func testForms[T named, P namedPointer[T]](t *testing.T, values map[T][2]string, badBytes, badTexts []string) {
	t.Helper()
	for v, form := range values {
		b, err := v.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, form[0], hex.EncodeToString(b))
		text, err := v.MarshalText()
		require.NoError(t, err)
		require.Equal(t, form[1], string(text))
		inJSON, err := json.Marshal(map[string]T{"x": v})
		require.NoError(t, err)

		var read, readText T
		require.NoError(t, P(&read).UnmarshalBinary(b))
		require.Equal(t, v, read)
		require.NoError(t, P(&readText).UnmarshalText(text))
		require.Equal(t, v, readText)
		var readJSON map[string]T
		require.NoError(t, json.Unmarshal(inJSON, &readJSON))
		require.Equal(t, v, readJSON["x"])
	}
	var none T
	for _, bad := range badBytes {
		b, err := hex.DecodeString(bad)
		require.NoError(t, err)
		var read T
		require.ErrorIs(t, P(&read).UnmarshalBinary(b), ErrCorrupt, bad)
		require.Equal(t, none, read)
	}
	for _, bad := range badTexts {
		var read T
		require.ErrorIs(t, P(&read).UnmarshalText([]byte(bad)), ErrCorrupt, bad)
		require.Equal(t, none, read)
	}
}

func TestDotForms(t *testing.T) {
	testForms[Dot](t, map[Dot][2]string{
		{"a", 300}:      {"400161ac02", "a:300"},
		{"b", MaxCount}: {"400162808080808080808040", "b:4611686018427387904"},
		{`two: "w"`, 1}: {"400874776f3a2022772201" + "", `"two: \"w\"":1`},
	}, []string{"", "40", "400161", "40016100", "4001610100", "410161ac02", "480161ac02", "4001618180808080808080" + "8001", "40016181808080808080" + "8040"},
		[]string{"", "a", "a:", "a:0", "a:01", "a:+1", ":1", `"a":1`, "a b:1", "a:4611686018427387905", "a:1 ", `"a:1`})
	for _, bad := range []Dot{{}, {"a", 0}, {"", 1}, {"a", MaxCount + 1}} {
		_, err := bad.MarshalBinary()
		require.Error(t, err)
		_, err = bad.MarshalText()
		require.Error(t, err)
	}
}

func TestLamportTimeForms(t *testing.T) {
	testForms[LamportTime](t, map[LamportTime][2]string{
		{300, "a"}:      {"48ac020161", "300@a"},
		{0, "a"}:        {"48000161", "0@a"},
		{MaxCount, "b"}: {"488080808080808080" + "400162", "4611686018427387904@b"},
		{1, "a@b"}:      {"480103614062", `1@"a@b"`},
	}, []string{"", "48", "4801", "480100", "4801016100", "400101", "48800001" + "61"},
		[]string{"", "a", "1@", "01@a", "@a", "1a", `1@"a"`, "1@a b", "4611686018427387905@a", "-1@a"})
	for _, bad := range []LamportTime{{}, {1, ""}, {MaxCount + 1, "a"}} {
		_, err := bad.MarshalBinary()
		require.Error(t, err)
		_, err = bad.MarshalText()
		require.Error(t, err)
	}
}

// FuzzNamed: what is accepted, as bytes or as text, is written the same.
func FuzzNamed(f *testing.F) {
	for _, s := range []string{"a:300", "3@a", `"x y":1`, `1@"@"`, "\x40\x01a\x01", "\x48\x01\x01a"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Dot
		if d.UnmarshalText(b) == nil {
			again, err := d.MarshalText()
			require.NoError(t, err)
			require.Equal(t, b, again)
		}
		if d.UnmarshalBinary(b) == nil {
			again, err := d.MarshalBinary()
			require.NoError(t, err)
			require.Equal(t, b, again)
		}
		var l LamportTime
		if l.UnmarshalText(b) == nil {
			again, err := l.MarshalText()
			require.NoError(t, err)
			require.Equal(t, b, again)
		}
		if l.UnmarshalBinary(b) == nil {
			again, err := l.MarshalBinary()
			require.NoError(t, err)
			require.Equal(t, b, again)
		}
	})
}
