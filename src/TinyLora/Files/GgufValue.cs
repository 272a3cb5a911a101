namespace TinyLora.Files;

/// <summary>Where a metadata value lies: its first byte; for a string that of its length, for an array that of its first element.</summary>
internal readonly record struct GgufValue(GgufValueType Type, GgufValueType ElementType, long Count, long Offset);
