//go:build cgo && (darwin || linux) && (amd64 || arm64)

package main

import (
	"testing"

	"github.com/automerge/automerge-go"
	"github.com/stretchr/testify/require"
)

// TestAutomergeMessage: what is sent is what SaveIncremental returns, and what Load and a session refuse, LoadIncremental takes.
func TestAutomergeMessage(t *testing.T) {
	s, err := newAutomerge(kindSet, sharedHere)
	require.NoError(t, err)
	doc := s.(*automergeSet).doc
	for _, e := range []string{"milk", "eggs"} {
		require.NoError(t, s.add(e))
		b, err := s.message()
		require.NoError(t, err)
		require.Equal(t, doc.SaveIncremental(), b)
	}
	garbage := []byte("garbage garbage")
	_, err = automerge.Load(garbage)
	require.Error(t, err)
	_, err = automerge.NewSyncState(doc).ReceiveMessage(garbage)
	require.Error(t, err)
	require.NoError(t, s.receive(garbage))
	empty, err := newAutomerge(kindSet, sharedThere)
	require.NoError(t, err)
	require.Error(t, empty.receive(garbage))
}
