package ratelimit

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestKeyedNoDebt lets somebody take all that there is every second, until the member is closed
// whose pace is just being changed: it is gone then, and he owes no more than that. Planted and
// caught: a change that reads the clock before it closes a member.
func TestKeyedNoDebt(t *testing.T) {
	slow, fast := newPace("", Per(1, time.Hour), 10), newPace("", PerSecond(1000), 10)
	for name, change := range map[string]func(*Keyed[string], func() int64){
		"SetLimit":    func(k *Keyed[string], now func() int64) { k.setLimit(&slow, now) },
		"SetQuota":    func(k *Keyed[string], now func() int64) { require.NoError(t, k.setQuota("a", &slow, now)) },
		"RemoveQuota": func(k *Keyed[string], now func() int64) { require.True(t, k.removeQuota("a", now)) },
	} {
		k := mustKeyed(t, KeyedConfig[string]{Rate: PerSecond(1000), Burst: 10})
		now := k.made
		fixed := func() int64 { return since(k.made, now) }
		if name == "RemoveQuota" {
			k.setLimit(&slow, fixed)
			require.NoError(t, k.setQuota("a", &fast, fixed))
		}
		require.True(t, k.TakeAt("a", now, 10).OK)
		s, hash := k.shard("a")
		_, m := s.find("a", hash)
		change(k, func() int64 {
			ns := since(k.made, now)
			if m.tat.Load() != closed {
				now = now.Add(time.Second)
				require.True(t, k.TakeAt("a", now, 10).OK, "without the lock, which is held")
			}
			return ns
		})
		require.Equal(t, Decision{Limit: 10, RetryAfter: time.Hour, ResetAfter: 10 * time.Hour}, k.TakeAt("a", now, 0), name)
	}
}
