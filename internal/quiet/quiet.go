// Package quiet reads and writes pipes and TCP connections without waking the Go runtime's monitor. It knows nothing of
// what goes through them.
//
// A server that works for a millisecond at each key and then waits for the next one pays much for the monitor (sysmon).
// Every system call of os and net wakes it, whether it can block or not, and then it looks every 20 us, for as long as
// anything runs, for threads that hang in the kernel and goroutines that run for long: a fifth of all CPU time of
// somebody who types. What is done here cannot hang: Go's poller waits, and the call takes what is there. So it is made
// without telling the monitor.
//
// The price: while all processors are taken by goroutines that compute, they are interrupted in turn only once something
// else has woken it, which a timer that fires does, or a file that is read, or a collection.
//
// Systems other than Linux get what they gave. The race detector learns from system calls in what order things happen,
// so under it they are the ordinary ones.
package quiet
