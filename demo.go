package main

import "context"

type demoCmd struct{}

func (d *demoCmd) Run(ctx context.Context, p process) error { return nil }
