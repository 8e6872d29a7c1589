package main

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCircuitLoops proves that each circuit counts by the rule that it is measured with, in
// both forms, and refuses when that says so. Planted and caught: gobreaker's that opens after six failures
// and not five, failsafe's of the last 101 or 99 calls, ours of 101, ours that waits for 25 calls and
// not 20, failures that are recorded as successes.
func TestCircuitLoops(t *testing.T) {
	type step struct {
		calls  int
		fail   error
		passes bool
	}
	stories := map[string][]step{
		ruleRow: {
			{4, errCircuit, true}, {1, nil, true}, {4, errCircuit, true}, {1, nil, true},
			{5, errCircuit, true}, {1, nil, false},
		},
		ruleCalls: { // 49 of the last 100, but 50 of 101; and then 50, but 49 of 99
			{1, errCircuit, true}, {2, nil, true}, {1, errCircuit, true}, {49, nil, true}, {48, errCircuit, true},
			{1, nil, true}, {1, errCircuit, true}, {1, nil, false},
		},
		ruleTime: {
			{10, nil, true}, {9, errCircuit, true}, {1, nil, true}, {2, errCircuit, true}, {1, nil, false},
		},
	}
	for rule, story := range stories {
		for _, impl := range circuitImpls() {
			for form, open := range map[string]func(string, circuitConfig) (circuitLoop, error){"call": callLoop, "permit": permitLoop} {
				t.Run(rule+"/"+impl+"/"+form, func(t *testing.T) {
					loop, err := open(impl, circuitConfig{rule: rule, openFor: time.Hour, probes: 1})
					if errors.Is(err, errNotThere) {
						require.Equal(t, ruleCalls, rule)
						require.Contains(t, []string{implGobreaker, implRubyist}, impl)
						return
					}
					require.NoError(t, err)
					for i, s := range story {
						sum, failed := loop(s.calls, s.fail)
						if s.passes && s.fail == nil {
							require.Equal(t, s.calls, sum, "step %d", i)
							require.Zero(t, failed)
						} else {
							require.Zero(t, sum, "step %d", i)
							require.Equal(t, s.calls, failed)
						}
					}
				})
			}
		}
	}
}

// TestCircuitFacts holds what becomes of each library's circuit, ours above all. The stories run
// on the real clock, but a slow machine makes none of them end otherwise, unless it stands still for
// seconds. Planted and caught: a probe that is not lost, callers that do not cancel, a late call that
// is not waited for, failsafe's that closes after one probe of three.
func TestCircuitFacts(t *testing.T) {
	t.Parallel()
	const half, stuck = "half-open", "stuck half-open"
	want := map[string][]string{ // in the order of circuitImpls
		"a probe panics":                           {"recovers", "recovers", stuck, "recovers"},
		"a probe ends its goroutine":               {"recovers", stuck, stuck, "recovers"},
		"a probe never returns":                    {"recovers", stuck, stuck, "recovers"},
		"a call of before succeeds during a probe": {half, half, "closed", "closed"},
		"a call of before fails during a probe":    {half, half, "open", "open"},
		"of 3 probes, when 2 of before succeed":    {"3 run", "3 run", "5 run", "-"},
		"callers cancel":                           {"closed", "open", "open", "closed"},
		"a hook asks for the state":                {"open", "hangs", "open", "-"},
	}
	require.Len(t, want, len(circuitFacts{}.facts()))
	for _, fact := range (circuitFacts{}).facts() {
		for i, impl := range circuitImpls() {
			t.Run(fact.name+"/"+impl, func(t *testing.T) {
				t.Parallel()
				end, err := fact.end(impl, factLimit)
				require.NoError(t, err)
				require.Equal(t, want[fact.name][i], end)
			})
		}
	}
}

// TestCircuitAllocs: no call through one of ours allocates. Planted and caught: a circuit that is
// not open, a call by a function where one in two steps is asked for.
func TestCircuitAllocs(t *testing.T) {
	for i, form := range circuitForms() {
		for impl, want := range map[string][]float64{implPlinth: {0, 0, 0, 0}, implGobreaker: {0, 0, 1, 0}} {
			allocs, err := form.allocations(impl)
			require.NoError(t, err)
			require.InDelta(t, want[i], allocs, 0.01, "%v by %s", form, impl)
		}
	}
}

// TestCircuitComparisons makes the tables, with little work.
func TestCircuitComparisons(t *testing.T) {
	for pattern, rows := range map[string]int{
		"Breaker/": 8, "BreakerPermit": 8, "BreakerAllocs": 4, "BreakerFacts/(callers|a probe p)": 2,
	} {
		var out, progress bytes.Buffer
		args := []string{"-run", pattern, "-rounds", "1", "-scale", "0.01", "-dir", t.TempDir()}
		require.Zero(t, program(t.Context(), args, &out, &progress), progress.String())
		require.Equal(t, rows, bytes.Count(out.Bytes(), []byte(" Breaker")), out.String())
	}
}
