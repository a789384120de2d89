"""The live page: the journey from left to right, each stage with its rolling metrics, updated by server push."""
