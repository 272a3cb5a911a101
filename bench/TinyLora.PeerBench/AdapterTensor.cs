namespace TinyLora.PeerBench;

/// <summary>A float16 matrix of an adapter, row after row.</summary>
internal sealed record AdapterTensor(string Name, int RowCount, int ColumnCount, Half[] Values);
