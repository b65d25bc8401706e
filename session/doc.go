// Package session holds a warm streaming session to a model: one or a few connections that are dialled and
// warmed before they are needed, over which requests fork from a warmed base and stream back as events. It
// knows neither editors nor prompts, and nothing in it logs: Trace reports what happens.
package session
