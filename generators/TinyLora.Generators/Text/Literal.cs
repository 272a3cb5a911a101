using System.Globalization;
using Microsoft.CodeAnalysis.CSharp;

namespace TinyLora.Generators.Text;

/// <summary>Constants as C# writes them.</summary>
internal static class Literal
{
    /// <summary>Quoted and escaped.</summary>
    public static string Of(string text) => SymbolDisplay.FormatLiteral(text, quote: true);

    /// <summary>Nine digits: reads back as the same bits.</summary>
    public static string Of(float value) => value.ToString("G9", CultureInfo.InvariantCulture) + "f";

    /// <summary>Seventeen digits: reads back as the same bits.</summary>
    public static string Of(double value) => value.ToString("G17", CultureInfo.InvariantCulture) + "d";

    public static string Of(bool value) => value ? "true" : "false";
}
