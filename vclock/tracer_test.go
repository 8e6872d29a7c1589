package vclock

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTracerWrites what ShiViz reads, and nothing when an event cannot be. Planted and caught: a clock that counts an event
// that was refused.
func TestTracerWrites(t *testing.T) {
	var out bytes.Buffer
	tr, err := NewTracer(&out, "b")
	require.NoError(t, err)
	require.NoError(t, tr.Local("start"))
	for _, text := range []string{"", "\n", "a\nb", "\xff", strings.Repeat("x", MaxLine+1)} {
		require.ErrorIs(t, tr.Local(text), ErrEvent)
		_, err := tr.Send(text)
		require.ErrorIs(t, err, ErrEvent)
		require.ErrorIs(t, tr.Receive(text, vec(t, map[ID]uint64{"a": 1})), ErrEvent)
	}
	err = tr.Receive("what?", vec(t, map[ID]uint64{"a": 1, "b": 2}))
	require.ErrorIs(t, err, ErrForked)
	require.EqualError(t, err, "vclock: two of one name: a message after b:2, but it has had 1 events")
	clock, err := tr.Send("ask")
	require.NoError(t, err)
	require.Equal(t, `{"b":2}`, clock.String())
	require.NoError(t, tr.Receive("hear", vec(t, map[ID]uint64{"a": 3, "b": 2})))
	require.Equal(t, `{"a":3, "b":3}`, tr.Clock().String())
	require.Equal(t, "b {\"b\":1}\nstart\nb {\"b\":2}\nask\nb {\"a\":3, \"b\":3}\nhear\n", out.String())
	require.Equal(t, `{"b":2}`, clock.String(), "a copy never changes")

	for _, host := range []ID{"", "a b", "a\n", "\xff"} {
		_, err := NewTracer(&out, host)
		require.ErrorIs(t, err, ErrID)
	}
	require.PanicsWithValue(t, "vclock: NewTracer: a nil writer", func() { _, _ = NewTracer(nil, "a") })
}

// failing takes so many writes, and half of the next.
type failing struct {
	bytes.Buffer
	left int
}

var errDisk = errors.New("disk")

func (f *failing) Write(b []byte) (int, error) {
	if f.left--; f.left < 0 {
		n, _ := f.Buffer.Write(b[:len(b)/2])
		return n, errDisk
	}
	return f.Buffer.Write(b)
}

// TestTracerErrorIsFinal: after half an event, nothing is written any more. Planted and caught: an error that is forgotten.
func TestTracerErrorIsFinal(t *testing.T) {
	w := &failing{left: 1}
	tr, err := NewTracer(w, "a")
	require.NoError(t, err)
	require.NoError(t, tr.Local("one"))
	require.EqualError(t, tr.Local("two"), "vclock: the log of a: disk")
	w.left = 9
	_, err = tr.Send("three")
	require.ErrorIs(t, err, errDisk)
	require.ErrorIs(t, tr.Receive("four", Vector{}), errDisk)
	require.Equal(t, "a {\"a\":1}\none\na {\"a\"", w.String()[:20])
	require.NotContains(t, w.String(), "three")
	require.Equal(t, `{"a":1}`, tr.Clock().String())
}

// TestTracerManyGoroutines trace one process: each event has a number of its own, and is in one piece.
func TestTracerManyGoroutines(t *testing.T) {
	var out bytes.Buffer
	tr, err := NewTracer(&out, "a")
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				if clock, err := tr.Send("x"); err != nil || tr.Receive("y", clock) != nil || !tr.Clock().Descends(clock) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	events, err := ParseLog(&out)
	require.NoError(t, err)
	require.Len(t, events, 400)
	for i, e := range events {
		require.Equal(t, uint64(i)+1, e.Dot().N, "in order")
	}
	require.NoError(t, CheckLog(events))
}
